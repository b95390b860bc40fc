"""Sets of places with an answer each, as `data.sets.LabelledSet` describes them; `open.open_set` opens any."""
