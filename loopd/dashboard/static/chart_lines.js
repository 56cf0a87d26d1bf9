// Lines over numbers: points with their intervals as bands, and rules through the whole chart.
import { ends, fit, gutter, leftAxis, lowerAxis, mark, panel, svg, widthOf } from "./chart_parts.js";

const HEIGHT = 270;
const MOST_MARKS = 60;
const isShown = (point) => point.y !== undefined && point.y !== null;

export function lines(chart, width) {
  const points = chart.series.flatMap((series) => series.points);
  const across = chart.rules.filter((rule) => !rule.upright).map((rule) => rule.at);
  const [low, high] = ends(chart.y, points.flatMap((point) => [point.y, point.high]).concat(across));
  const [first, last] = ends(chart.x, points.map((point) => point.x));
  const area = panel(width, HEIGHT, [26, 14, 42, gutter(chart.y, low, high)]);
  const place = { x: lowerAxis(area, chart.x, first, last), y: leftAxis(area, chart.y, low, high) };
  const bands = svg("g", { class: "bands" });
  const drawn = svg("g", { class: "lines" });
  for (const series of chart.series) {
    for (const run of runs(series.points, (point) => isShown(point) && point.low !== undefined)) bands.append(band(run, series.look, place));
    for (const run of runs(series.points, isShown)) drawn.append(line(run, series, place));
    drawn.append(...marks(series, place));
  }
  const rules = chart.rules.map((rule) => ruled(rule, area, place));
  return { area, parts: [bands, ...rules, drawn], targets: targets(chart, place, area), distance: (target, x) => Math.abs(target.x - x) };
}

/** Points that follow each other and of which all hold what is asked. */
function runs(points, holds) {
  const joined = [];
  let open = null;
  for (const point of points) {
    if (!holds(point)) open = null;
    else if (open) open.push(point);
    else joined.push(open = [point]);
  }
  return joined;
}

function band(points, look, place) {
  if (points.length === 1) {
    const [{ x, low, high }] = points;
    return svg("line", { class: `whisker look-${look}`, x1: place.x(x), x2: place.x(x), y1: place.y(low), y2: place.y(high) });
  }
  const upper = points.map((point) => `${place.x(point.x)},${place.y(point.high)}`);
  const lower = points.map((point) => `${place.x(point.x)},${place.y(point.low)}`).reverse();
  return svg("polygon", { class: `band look-${look}`, points: [...upper, ...lower].join(" ") });
}

function line(points, series, place) {
  const path = points.map((point) => `${place.x(point.x)},${place.y(point.y)}`).join(" ");
  return svg("polyline", { class: `line look-${series.look}${series.dashed ? " dashed" : ""}`, points: path });
}

function marks(series, place) {
  if (series.look === "quiet") return [];
  const shown = series.points.filter(isShown);
  return shown
    .filter((point, index) => shown.length <= MOST_MARKS || point.strong || index === shown.length - 1)
    .map((point) => mark(series.look, place.x(point.x), place.y(point.y), point.strong ? 6 : 3.5));
}

function ruled(rule, area, place) {
  const at = rule.upright ? place.x(rule.at) : place.y(rule.at);
  const reach = rule.upright
    ? { x1: at, x2: at, y1: area.top, y2: area.bottom }
    : { x1: area.left, x2: area.right, y1: at, y2: at };
  const group = svg("g", { class: "rule" }, svg("line", reach));
  if (!rule.upright) {
    group.append(svg("text", { x: area.right, y: at - 5 < 12 ? at + 14 : at - 5, "text-anchor": "end" }, rule.words));
  } else {
    const isLeft = at - area.left > area.right - at && at + widthOf(rule.words) + 6 > area.right;
    const words = fit(rule.words, (isLeft ? at - area.left : area.right - at) - 8);
    group.append(svg("text", { x: at + (isLeft ? -5 : 5), y: area.bottom - 6, "text-anchor": isLeft ? "end" : "start" }, words));
  }
  return group;
}

/** What is read at each place along the lower axis, from left to right. */
function targets(chart, place, area) {
  const byX = new Map();
  for (const series of chart.series) {
    for (const point of series.points) {
      if (!isShown(point) || !point.words) continue;
      const target = byX.get(point.x) || { x: place.x(point.x), y: place.y(point.y), cursor: [area.top, area.bottom], rings: [], lines: [] };
      target.y = Math.min(target.y, place.y(point.y));
      target.rings.push([place.x(point.x), place.y(point.y), series.look]);
      target.lines.push({ look: series.look, words: point.words });
      byX.set(point.x, target);
    }
  }
  return [...byX.entries()].sort(([one], [other]) => one - other).map(([, target]) => target);
}
