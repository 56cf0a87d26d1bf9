// What all charts share: elements, scales, ticks, axes, names that fit. Knows no kind of chart.
const SVG = "http://www.w3.org/2000/svg";

/** An SVG element with attributes and children; what is no element becomes text. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The same for HTML. */
export function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** A function from values to pixels. */
export function scale(low, high, start, end) {
  const span = high - low || 1;
  return (value) => Math.round((start + ((value - low) / span) * (end - start)) * 100) / 100;
}

/** Round numbers between two values, at most so many. */
export function ticks(low, high, most, whole) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(span / most));
  const step = [1, 2, 5, 10].map((times) => times * power)
    .find((size) => span / size <= most && (!whole || size >= 1)) || 10 * power;
  const steps = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) steps.push(n * step);
  return steps.map((value) => Number(value.toPrecision(12)));
}

export const written = (value) => value.toLocaleString("en", { maximumFractionDigits: 3 });

const pen = document.createElement("canvas").getContext("2d");

/** Pixels that a text takes at the charts' size of letters. */
export function widthOf(text) {
  pen.font = `13px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

/** The text, cut in its middle where it takes more pixels: names often differ at the end. */
export function fit(text, pixels) {
  if (widthOf(text) <= pixels) return text;
  const signs = [...text];
  for (let kept = signs.length - 1; kept > 1; kept -= 1) {
    const end = Math.floor((kept - 1) / 2);
    const short = `${signs.slice(0, kept - end).join("")}…${end ? signs.slice(-end).join("") : ""}`;
    if (widthOf(short) <= pixels) return short;
  }
  return "…";
}

/** Least and greatest of an axis, by what it says and by the values on it. */
export function ends(axis, values) {
  const shown = values.filter((value) => value !== undefined && value !== null);
  const low = axis.low ?? Math.min(...shown);
  const high = axis.high ?? Math.max(...shown, low);
  return [low, high > low ? high : low + 1];
}

/** The inner part of a chart: where its edges are, and a group that holds axes and grid. */
export function panel(width, height, margins) {
  const [top, right, bottom, left] = margins;
  return {
    width, height, left, top, right: width - right, bottom: height - bottom,
    group: svg("g", { class: "axes", "aria-hidden": "true" }),
  };
}

/** Marks of the lower axis with upright lines where asked for, and its title. */
export function lowerAxis(area, axis, low, high, { lines = false } = {}) {
  const place = scale(low, high, area.left, area.right);
  const most = Math.max(2, Math.floor((area.right - area.left) / 70));
  for (const value of ticks(low, high, most, axis.whole)) {
    const x = place(value);
    if (lines) area.group.append(svg("line", { class: "grid", x1: x, x2: x, y1: area.top, y2: area.bottom }));
    area.group.append(svg("text", { x, y: area.bottom + 17, "text-anchor": "middle" }, written(value)));
  }
  lowerTitle(area, axis);
  return place;
}

export function lowerTitle(area, axis) {
  const middle = (area.left + area.right) / 2;
  const title = fit(axis.title, area.width - 10);
  area.group.append(svg("text", { class: "axis-title", x: middle, y: area.height - 6, "text-anchor": "middle" }, title));
}

/** Marks of the left axis with lines across, and its title above. */
export function leftAxis(area, axis, low, high) {
  const place = scale(low, high, area.bottom, area.top);
  for (const value of ticks(low, high, 5, axis.whole)) {
    const y = place(value);
    area.group.append(
      svg("line", { class: "grid", x1: area.left, x2: area.right, y1: y, y2: y }),
      svg("text", { x: area.left - 7, y: y + 4, "text-anchor": "end" }, written(value)),
    );
  }
  area.group.append(svg("text", { class: "axis-title", x: 2, y: 12 }, fit(axis.title, area.width - 4)));
  return place;
}

/** Pixels that the marks of a left axis take. */
export function gutter(axis, low, high) {
  return 10 + Math.max(...ticks(low, high, 5, axis.whole).map((value) => widthOf(written(value))));
}

const SHAPES = [
  (x, y, r) => svg("circle", { cx: x, cy: y, r }),
  (x, y, r) => svg("rect", { x: x - r * 0.9, y: y - r * 0.9, width: r * 1.8, height: r * 1.8 }),
  (x, y, r) => polygon(x, y, r * 1.3, [[0, -1], [0.9, 0.7], [-0.9, 0.7]]),
  (x, y, r) => polygon(x, y, r * 1.3, [[0, -1], [1, 0], [0, 1], [-1, 0]]),
];

function polygon(x, y, r, corners) {
  const points = corners.map(([dx, dy]) => `${(x + dx * r).toFixed(1)},${(y + dy * r).toFixed(1)}`);
  return svg("polygon", { points: points.join(" ") });
}

/** The mark of a look: shape and colour, so that nobody has to tell colours apart. */
export function mark(look, x, y, size = 3.5) {
  const shape = SHAPES[(Number(look) || 0) % SHAPES.length](x, y, size);
  shape.setAttribute("class", `mark look-${look}`);
  return shape;
}
