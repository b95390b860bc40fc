"""Archives with and without what must not be unpacked."""

import tarfile


def member(name, data=b"hello", **changes):
    """A header and its data; `changes` are attributes of the header."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, data


def folder(name):
    return member(name, b"", type=tarfile.DIRTYPE)


def link(name, to, kind=tarfile.SYMTYPE):
    return member(name, b"", type=kind, linkname=to)


EVIL = {
    "traversal": ([member("../evil.txt")], r"'\.\./evil\.txt' leads out of the folder"),
    "traversal inside": ([member("a/../../evil.txt")], "leads out of the folder"),
    "absolute": ([member("/evil.txt")], "'/evil.txt' is an absolute path"),
    "of another system": ([member("C:/evil.txt")], "is an absolute path"),
    "backslashes": ([member("..\\evil.txt")], "is no name for a file"),
    "no name": ([member(".")], "is no name for a file"),
    "control characters": ([member("a\x1b[2Jb")], "is no name for a file"),
    "a name too long": ([member("é" * 200)], "is no name for a file"),
    "symbolic link": ([link("data", "..")], r"'data' is a symbolic link to '\.\.', not a plain file"),
    "file behind a link": ([link("data", ".."), member("data/evil.txt")], "'data' is a symbolic link"),
    "hard link": ([member("a"), link("b", "a", tarfile.LNKTYPE)], "'b' is a hard link to 'a'"),
    "device": ([link("zero", "", tarfile.CHRTYPE)], "'zero' is a device"),
    "disk": ([link("disk", "", tarfile.BLKTYPE)], "'disk' is a device"),
    "pipe": ([link("pipe", "", tarfile.FIFOTYPE)], "'pipe' is a pipe"),
    "unknown kind": ([member("x", type=b"Z")], "is of the kind b'Z'"),
    "sparse": ([member("x", pax_headers={"GNU.sparse.map": "0,5", "GNU.sparse.size": "9" * 12})], "of the kind|bytes"),
    "setuid": ([member("run", mode=0o4755)], "'run' would run as another user"),
    "setgid": ([member("run", mode=0o2755)], "would run as another user"),
    "twice": ([member("a"), member("./a", b"other")], r"'\./a' comes twice, first as 'a'"),
    "twice but for case": ([member("a/B"), member("A/b")], "comes twice"),
    "a file as a folder": ([member("d"), member("d/e")], "'d/e' lies in 'd', which is a file"),
}
