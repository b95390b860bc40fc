// The token calculator: the formulas of olmoearth_nb/model/cost.py in whole numbers, so that the answers are the same.
// A test compares both tables below with the package, and the answers on a grid of settings.
"use strict";

const SIZES = {
  "nano": {"width": 128, "depth": 4, "pixel_hidden": 12},
  "tiny": {"width": 192, "depth": 12, "pixel_hidden": 64},
  "base": {"width": 768, "depth": 12, "pixel_hidden": 64}
};

const TOKENIZATIONS = {
  "v1": ["B02 B03 B04 B08", "B05 B06 B07 B8A B11 B12", "B01 B09"],
  "v1.1": ["B02 B03 B04 B08 B05 B06 B07 B8A B11 B12 B01 B09"],
  "per_band": ["B02", "B03", "B04", "B08", "B05", "B06", "B07", "B8A", "B11", "B12", "B01", "B09"],
  "spectral": ["B02 B03 B04", "B08 B8A", "B05 B06 B07", "B11 B12", "B01 B09"],
  "satmae": ["B02 B03 B04 B08", "B05 B06 B07 B8A", "B11 B12"],
  "galileo": ["B02 B03 B04", "B05 B06 B07", "B08", "B8A", "B11 B12"],
  "croma": ["B01 B02 B03 B04 B05 B06 B07 B08 B8A B09 B11 B12"]
};

const BANDS = TOKENIZATIONS.per_band;
const PATCH = 8n; // every patch is enlarged to 8 x 8 pixels before it is projected

/** Tokens and multiply-accumulates of one pass of the encoder over one Sentinel-2 sample, as BigInt. */
function encoderCost(size, groups, edge, patch, timesteps, pixelLayer) {
  const width = BigInt(size.width), depth = BigInt(size.depth);
  const hidden = pixelLayer ? BigInt(size.pixel_hidden) : 0n;
  const rows = BigInt(edge) / BigInt(patch);
  const patches = rows * rows * BigInt(timesteps);
  const tokens = patches * BigInt(groups.length);
  let linear = depth * 12n * width * width * tokens;
  for (const group of groups) {
    const bands = BigInt(group.split(" ").length);
    linear += patches * PATCH * PATCH * (hidden ? bands * hidden + hidden * width : bands * width);
  }
  const attention = depth * 2n * tokens * tokens * width;
  return {tokens, linear, attention, macs: linear + attention};
}

/** The groups of a text such as "B02 B03 | B04"; an Error says what is wrong with it. */
function readGroups(text) {
  const groups = text.split("|").map(part => part.trim().toUpperCase().split(/[\s,]+/).filter(Boolean));
  if (groups.some(group => !group.length)) throw new Error("A group between two | is empty. Name at least one band in each.");
  const named = groups.flat();
  const unknown = named.find(band => !BANDS.includes(band));
  if (unknown) throw new Error(`There is no band ${unknown}. The bands are ${BANDS.join(" ")}.`);
  const twice = named.find((band, place) => named.indexOf(band) !== place);
  if (twice) throw new Error(`${twice} is named twice. Each band belongs to one group.`);
  return groups.map(group => group.join(" "));
}

/** The whole number in a field; an Error says what is valid. */
function readWhole(field) {
  const value = Number(field.value), least = Number(field.min), most = Number(field.max);
  if (!Number.isInteger(value) || value < least || value > most)
    throw new Error(`${field.dataset.name} must be a whole number from ${least} to ${most}.`);
  return value;
}

/** The settings in the form. */
function readSettings(form) {
  const edge = readWhole(form.edge), patch = readWhole(form.patch), timesteps = readWhole(form.timesteps);
  if (edge % patch) {
    const fitting = [1, 2, 3, 4, 5, 6, 7, 8].filter(one => edge % one === 0);
    throw new Error(`${edge} pixels do not divide into patches of ${patch}. Choose a patch of ${fitting.join(", ")}.`);
  }
  const own = form.tokenization.value === "own";
  const groups = own ? readGroups(form.groups.value) : TOKENIZATIONS[form.tokenization.value];
  return {edge, patch, timesteps, groups, pixelLayer: form.pixel_layer.checked};
}

const billions = macs => (Number(macs) / 1e9).toLocaleString("en", {minimumFractionDigits: 2, maximumFractionDigits: 2});
const percent = (part, whole) => `${Math.round(100 * Number(part) / Number(whole))} %`;

/** One row of the table: the exact counts stand in its data attributes. */
function row(name, cost, reference) {
  const line = document.createElement("tr");
  Object.assign(line.dataset, {size: name, tokens: cost.tokens, linear: cost.linear, attention: cost.attention});
  const relative = Number(cost.macs) / Number(reference.macs);
  const cells = [name, cost.tokens.toLocaleString("en"), billions(cost.macs), percent(cost.attention, cost.macs),
    relative.toFixed(2)];
  cells.forEach((text, place) => {
    const cell = document.createElement(place ? "td" : "th");
    if (!place) cell.scope = "row";
    cell.textContent = text;
    line.append(cell);
  });
  return line;
}

/** Fills the table from the form, or says what is wrong with the form. */
function update(form) {
  const body = form.querySelector("tbody"), message = form.querySelector("[role=status]");
  form.groups.disabled = form.tokenization.value !== "own";
  try {
    const {edge, patch, timesteps, groups, pixelLayer} = readSettings(form);
    body.replaceChildren(...Object.entries(SIZES).map(([name, size]) => row(name,
      encoderCost(size, groups, edge, patch, timesteps, pixelLayer),
      encoderCost(size, TOKENIZATIONS.v1, edge, patch, timesteps, false))));
    const left = BANDS.filter(band => !groups.join(" ").split(" ").includes(band));
    message.textContent = `${groups.length} ${groups.length === 1 ? "token" : "tokens"} for each patch and date. ` +
      (left.length ? `Not read: ${left.join(" ")}.` : "All twelve bands are read.");
  } catch (error) {
    body.replaceChildren();
    message.textContent = error.message;
  }
}

/** Shows the chosen tokenization in the field of the groups, where it can be changed. */
function choose(form) {
  const name = form.tokenization.value;
  if (name !== "own") form.groups.value = TOKENIZATIONS[name].join(" | ");
  form.pixel_layer.checked = name === "v1.1";
}

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("#calculator");
  if (!form) return;
  form.tokenization.replaceChildren(...Object.keys(TOKENIZATIONS).map(name => new Option(name, name)),
    new Option("my own groups", "own"));
  form.tokenization.addEventListener("change", () => choose(form));
  form.addEventListener("input", () => update(form));
  form.addEventListener("submit", event => event.preventDefault());
  choose(form);
  update(form);
});
