// Tooltips of a chart: for a mouse, for fingers, and for the arrow keys. Knows no kind of chart.
import { html, mark, svg } from "./chart_parts.js";

/** Let whoever points at the drawing, or moves through it by keys, read its points. */
export function tips(figure, drawing, { targets, distance, columns = 1 }) {
  if (!targets.length) return;
  const tip = html("div", { class: "tip", role: "status", hidden: "" });
  const cursor = svg("g", { class: "cursor", "aria-hidden": "true" });
  let at = -1;
  drawing.append(cursor);
  figure.querySelector(".plot").append(tip);

  function show(index) {
    at = Math.max(0, Math.min(targets.length - 1, index));
    const target = targets[at];
    tip.replaceChildren(...(target.heading ? [html("b", {}, target.heading)] : []), ...target.lines.map(spoken));
    cursor.replaceChildren(...pointed(target));
    tip.hidden = false;
    put(target);
  }

  /** Beside the point, inside the figure. */
  function put(target) {
    const ratio = drawing.clientWidth / drawing.viewBox.baseVal.width || 1;
    const room = drawing.clientWidth - tip.offsetWidth;
    const x = target.x * ratio;
    const left = x + 14 + tip.offsetWidth <= drawing.clientWidth ? x + 14 : x - 14 - tip.offsetWidth;
    const above = target.y * ratio - tip.offsetHeight - 10;
    tip.style.left = `${Math.max(0, Math.min(room, left))}px`;
    tip.style.top = `${above >= 0 ? above : target.y * ratio + 14}px`;
  }

  function hide() {
    at = -1;
    tip.hidden = true;
    cursor.replaceChildren();
  }

  function point(event) {
    const box = drawing.getBoundingClientRect();
    const ratio = drawing.viewBox.baseVal.width / box.width;
    const [x, y] = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
    let nearest = 0;
    targets.forEach((target, index) => {
      if (distance(target, x, y) < distance(targets[nearest], x, y)) nearest = index;
    });
    if (nearest !== at) show(nearest);
  }

  const moves = {
    ArrowRight: () => at + 1, ArrowLeft: () => at - 1, ArrowDown: () => at + columns,
    ArrowUp: () => at - columns, Home: () => 0, End: () => targets.length - 1,
  };

  drawing.addEventListener("pointermove", point);
  drawing.addEventListener("pointerdown", point);
  drawing.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
  drawing.addEventListener("focus", () => { if (at < 0 && drawing.matches(":focus-visible")) show(targets.length - 1); });
  drawing.addEventListener("blur", hide);
  drawing.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    else if (moves[event.key]) {
      event.preventDefault();
      show(moves[event.key]());
    }
  });
}

function spoken({ look, words }) {
  return html("p", {}, swatch(look), html("bdi", {}, words));
}

/** A small mark in the colour and shape of a look. */
export function swatch(look, dashed = false) {
  const drawn = svg("svg", { class: "swatch", viewBox: "0 0 22 12", width: 22, height: 12, "aria-hidden": "true" });
  drawn.append(svg("line", { class: `line look-${look}${dashed ? " dashed" : ""}`, x1: 0, x2: 22, y1: 6, y2: 6 }), mark(look, 11, 6, 4));
  return drawn;
}

function pointed(target) {
  const drawn = [];
  if (target.cursor) drawn.push(svg("line", { x1: target.x, x2: target.x, y1: target.cursor[0], y2: target.cursor[1] }));
  if (target.box) {
    const [x, y, width, height] = target.box;
    drawn.push(svg("rect", { x, y, width, height, rx: 3 }));
  }
  for (const [x, y, look] of target.rings || []) drawn.push(mark(look, x, y, 6));
  return drawn;
}
