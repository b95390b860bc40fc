"""The catalogue of wrong inputs: what was done, the call, and what the error must say."""

from pathlib import Path

import numpy as np

from olmoearth_nb import SENTINEL2, fit, to_sample
from olmoearth_nb.bands import MISSING

S2 = "sentinel2_l2a"
BANDS = list(SENTINEL2.band_names)
DATES = ["2021-01-31", "2021-12-01"]


def image(height=8, width=8, timesteps=2, bands=12, low=1, high=5000):
    return np.random.default_rng(0).integers(low, high, (height, width, timesteps, bands)).astype(np.float32)


def hole(value):
    changed = image()
    changed[0, 0, 0, 0] = value
    return changed


def radar(low, high):
    return np.random.default_rng(0).uniform(low, high, (8, 8, 2, 2))


WRONG = {
    "unknown band": (lambda: to_sample(image(), [*BANDS[:-1], "B99"], DATES), "no band 'B99'; its bands are B02"),
    "missing band": (
        lambda: to_sample(image(bands=11), BANDS[:-1], DATES),
        r"bands missing: \['B09'\].*missing_bands=",
    ),
    "band given twice": (lambda: to_sample(image(), [*BANDS[:-1], "B02"], DATES), r"given twice: \['B02'\]"),
    "bands not named": (lambda: to_sample(image(), None, DATES), "name the bands of the last axis"),
    "bands as one string": (lambda: to_sample(image(), "B02", DATES), "name the bands of the last axis"),
    "fewer names than channels": (lambda: to_sample(image(), BANDS[:3], DATES), "one of the 3 named bands per channel"),
    "channels first": (lambda: to_sample(image().transpose(3, 0, 1, 2), BANDS, DATES), r"image must be \(H, W, T, C\)"),
    "no time axis": (lambda: to_sample(image()[:, :, 0], BANDS, DATES[:1]), r"image must be \(H, W, T, C\)"),
    "text for numbers": (lambda: to_sample(image().astype(str), BANDS, DATES), "must hold numbers"),
    "reflectance (0 to 1) where digital numbers are expected": (
        lambda: to_sample(image() / 1e4, BANDS, DATES),
        "look like reflectance 0..1",
    ),
    "digital numbers said to be reflectance": (
        lambda: to_sample(image(), BANDS, DATES, scale="reflectance"),
        "values reach 4997; leave scale out",
    ),
    "linear power for dB": (
        lambda: to_sample(radar(0, 1), ["vv", "vh"], DATES, modality_name="sentinel1"),
        "look like linear power",
    ),
    "dB for linear power": (
        lambda: to_sample(radar(-30, 0), ["vv", "vh"], DATES, modality_name="sentinel1", scale="linear"),
        "look like dB, but linear power is expected.*leave scale out",
    ),
    "a scale of another sensor": (lambda: to_sample(image(), BANDS, DATES, scale="linear"), "has no scale 'linear'"),
    "no dates": (lambda: to_sample(image(), BANDS, None), "the models read the month of every timestep"),
    "one date too few": (lambda: to_sample(image(), BANDS, DATES[:1]), "2 timesteps .* but 1 dates"),
    "dates out of order": (
        lambda: to_sample(image(), BANDS, DATES[::-1]),
        "2021-01-31 is given after 2021-12-01 and is earlier",
    ),
    "month counted from 1": (lambda: to_sample(image(), BANDS, np.array([[1, 1, 2021], [1, 12, 2021]])), "got 12 in"),
    "a day that does not exist": (
        lambda: to_sample(image(), BANDS, np.array([[30, 1, 2021], [1, 2, 2021]])),
        "is no date",
    ),
    "text that is not a date": (lambda: to_sample(image(), BANDS, ["July", "August"]), "'July' is not a date"),
    "before the launch": (lambda: to_sample(image(), BANDS, ["1999-01-01", "2021-01-01"]), "2015-01-01 to today"),
    "in the future": (lambda: to_sample(image(), BANDS, ["2021-01-01", "2199-01-01"]), "2015-01-01 to today"),
    "thirteen dates": (lambda: to_sample(image(timesteps=13), BANDS, ["2021-01-01"] * 13), "at most 12"),
    "NaN": (lambda: to_sample(hole(np.nan), BANDS, DATES), "1 values are NaN or infinite; mark"),
    "infinite": (lambda: to_sample(hole(np.inf), BANDS, DATES), "1 values are NaN or infinite; mark"),
    "nothing observed": (lambda: to_sample(image() * 0 + MISSING, BANDS, DATES), "no observed value"),
    "mask of another shape": (
        lambda: to_sample(image(), BANDS, DATES, valid=np.ones((8, 8, 3), bool)),
        r"got bool \(8, 8, 3\)",
    ),
    "mask of numbers": (lambda: to_sample(image(), BANDS, DATES, valid=np.ones((8, 8))), "valid must be a bool array"),
    "cirrus band in L2A": (
        lambda: to_sample(image(bands=13), [*BANDS, "B10"], DATES, level="L2A"),
        "say level='L1C'",
    ),
    "unknown processing level": (lambda: to_sample(image(), BANDS, DATES, level="L3"), "level must be 'L2A' or 'L1C'"),
    "unknown policy for missing bands": (
        lambda: to_sample(image(), BANDS, DATES, missing_bands="mean"),
        "must be 'error', 'zero'",
    ),
    "size and patch size": (lambda: fit(to_sample(image(10, 8), BANDS, DATES), 8), "choose one of crop='center'"),
    "crop and pad at once": (
        lambda: fit(to_sample(image(10, 8), BANDS, DATES), 8, crop="center", pad=True),
        "choose one of crop='center'",
    ),
    "nothing left to crop": (lambda: fit(to_sample(image(5, 8), BANDS, DATES), 8, crop="center"), "no whole patch"),
    "patch size 9": (lambda: fit(to_sample(image(), BANDS, DATES), 9), "from 1 to 8"),
    "unknown modality": (lambda: to_sample(image(), BANDS, DATES, modality_name="s2"), "valid names are sentinel2_l2a"),
}


UNSEEN = """## What nobody can see in the numbers
* **An offset of 1,000.** Products *processed* since 25 January 2022 (baseline 04.00, and Collection 1 of earlier
  years) hold 10,000 x reflectance + 1,000. Unless your source has done so, subtract it, with 1 as the smallest result
  (0 stays 0, "no data"). The loaders of GeoTIFF, `.npz`, `.SAFE` and STAC do so where the metadata say that the offset
  is in the numbers (`olmoearth_nb/data/offset.py`), and say what they did.
* **Pixels of another size.** Arrays do not say how large their pixels are; the models were trained on pixels of 10 m,
  and encode positions in pixels of 10 m.
* **Zeros as "no data" in only some bands.** Where all bands are 0 nothing was observed; a 0 in one band is black
  ground: give `valid=`, or `-99999`.
* **Latitude and longitude swapped**, where both could be either: GeoJSON has longitude first, `load_stac` latitude.
* **A wrong name on a band**, or names in the order of another product.
* **Top-of-atmosphere data given as L2A** over water, or without B09 and B10. Over land B09 far below B8A gives them
  away, and a note says so.
* **A stack stored band by band but read date by date** (or the other way round), where nothing names its bands: all
  dates of B02, then all dates of B03. Give `bands=` in the order of the file for one date, or number the descriptions.
* **Dates of another series** with the right number of entries.
"""


def common_mistakes() -> str:
    """The page of common mistakes: what was given and what the loader says."""
    rows = []
    for mistake, (call, _) in WRONG.items():
        try:
            call()
        except ValueError as error:
            rows.append(f"| {mistake} | {str(error).replace('|', ' ')} |")
    head = "# Common mistakes\n\nElsewhere, many of these mistakes pass silently: the model runs and the numbers are"
    head += " wrong. Others would\nfail later, and with a less clear message."
    note = "`python tests/helpers/mistakes.py` writes this page from the errors themselves; a test keeps it current."
    table = ["| what was given | what `to_sample` or `fit` says |", "|---|---|", *rows, ""]
    return "\n".join([head, note, "", *table, UNSEEN])


if __name__ == "__main__":
    (Path(__file__).parents[2] / "docs" / "common-mistakes.md").write_text(common_mistakes())
