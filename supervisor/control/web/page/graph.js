// The dependency graph: each program stands to the right of what it depends on.

import { svg } from "./dom.js";

const HEIGHT = 40, GAP_X = 46, GAP_Y = 12, MARGIN = 4;
const WORST = ["bad", "busy", "off", "ok", "done"];
export const MARKS = { ok: "●", done: "✓", busy: "◐", bad: "✕", off: "○" };

function layers(plan) {
  const byName = new Map(plan.map((program) => [program.name, program]));
  const depth = new Map();
  const of = (name) => {
    if (!depth.has(name)) {
      depth.set(name, 0);
      const needs = byName.get(name).depends_on.filter((need) => byName.has(need.name));
      depth.set(name, Math.max(-1, ...needs.map((need) => of(need.name))) + 1);
    }
    return depth.get(name);
  };
  const found = [];
  for (const program of plan) (found[of(program.name)] ??= []).push(program);
  return found;
}

// Puts each program near the middle of what it depends on, so that few lines cross.
function place(found) {
  const rows = new Map();
  found.forEach((layer, number) => {
    const middle = (program) => {
      const own = program.depends_on.map((need) => rows.get(need.name)).filter((row) => row !== undefined);
      return own.length > 0 ? own.reduce((sum, row) => sum + row, 0) / own.length : Infinity;
    };
    if (number > 0) layer.sort((a, b) => middle(a) - middle(b));
    let next = 0;
    for (const program of layer) {
      const row = number === 0 ? next : Math.max(next, Number.isFinite(middle(program)) ? Math.floor(middle(program)) : next);
      rows.set(program.name, row);
      next = row + 1;
    }
  });
  return rows;
}

export function draw(container, chosen, choose) {
  const found = layers(container.plan);
  const rows = place(found);
  const longest = Math.max(6, ...container.plan.map((program) => program.name.length + (program.scale > 1 ? 4 : 0)));
  const width = Math.min(220, 40 + longest * 7.6);
  const at = new Map();
  found.forEach((layer, number) => layer.forEach((program) => at.set(program.name, {
    x: MARGIN + number * (width + GAP_X), y: MARGIN + rows.get(program.name) * (HEIGHT + GAP_Y),
  })));
  const wide = found.length * (width + GAP_X) - GAP_X + 2 * MARGIN;
  const high = (Math.max(0, ...rows.values()) + 1) * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN;
  const drawing = svg("svg", { viewBox: `0 0 ${wide} ${high}`, width: wide, height: high });
  for (const program of container.plan) {
    for (const need of program.depends_on) {
      if (!at.has(need.name)) continue;
      const from = at.get(need.name), to = at.get(program.name);
      const x1 = from.x + width, y1 = from.y + HEIGHT / 2, x2 = to.x, y2 = to.y + HEIGHT / 2, bend = GAP_X / 2;
      drawing.append(svg("path", { class: "edge", d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}` },
        svg("title", {}, `${program.name} needs ${need.name} to be ${need.condition}`)));
    }
  }
  for (const program of container.plan) drawing.append(node(container, program, at.get(program.name), width, chosen, choose));
  return drawing;
}

function node(container, program, { x, y }, width, chosen, choose) {
  const instances = [...container.programs.values()].filter((each) => each.name === program.name);
  const moods = instances.map((each) => container.mood(each));
  const worst = WORST.find((each) => moods.includes(each)) ?? "off";
  const shown = instances.find((each) => container.mood(each) === worst);
  const state = shown === undefined ? "no instance" : program.scheduled && shown.state === "PENDING" ? "scheduled" : (shown.health === "unhealthy" ? "unhealthy" : shown.state.toLowerCase());
  const needs = program.depends_on.map((need) => `${need.name} (${need.condition})`).join(", ");
  const label = `${program.name}: ${state}${needs ? `; depends on ${needs}` : ""}`;
  const name = program.scale > 1 ? `${program.name} ×${program.scale}` : program.name;
  const short = name.length > 24 ? `${name.slice(0, 23)}…` : name;
  return svg("g", { class: `node ${worst}${program.name === chosen ? " chosen" : ""}`, tabindex: 0, role: "button", "aria-label": label,
    "data-program": program.name, onclick: () => choose(program.name),
    onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(program.name); } } },
  svg("title", {}, label),
  svg("rect", { x, y, width, height: HEIGHT, rx: 8 }),
  svg("text", { class: "mark", x: x + 12, y: y + 25 }, MARKS[worst]),
  svg("text", { class: "name", x: x + 28, y: y + 17 }, short),
  svg("text", { class: "state", x: x + 28, y: y + 31 }, state));
}
