"""XML that somebody else wrote: read without following anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_LARGEST = 20_000_000


def read_xml(path: Path) -> Any:
    """Root of an XML file that declares no entities and refers to nothing outside of it.

    Raises:
        ValueError: if it is too large, not whole, or declares a document type or entities.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import parse

    if path.stat().st_size > _LARGEST:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; metadata have at most {_LARGEST:,}")
    try:
        return parse(path, forbid_dtd=True).getroot()
    except DefusedXmlException as error:
        raise ValueError(
            f"{path.name} declares a document type or entities, which metadata never do: {error}"
        ) from error
    except (ParseError, LookupError, ValueError) as error:  # the last two of encodings that there are not
        raise ValueError(f"{path.name} is not whole XML ({error})") from error
