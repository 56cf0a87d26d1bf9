// Bars: lying ones, one for each category, and upright ones that stand on each other.
import { ends, fit, gutter, leftAxis, lowerAxis, lowerTitle, panel, scale, svg, widthOf, written } from "./chart_parts.js";

const ROW = 24;
const STACK_HEIGHT = 250;

export function bars(chart, width) {
  const [series] = chart.series;
  const [low, high] = ends(chart.y, series.points.map((point) => point.y));
  const names = Math.min(Math.max(...chart.categories.map(widthOf)), width * 0.38);
  const values = Math.max(...series.points.map((point) => widthOf(shown(chart, point.y))));
  const area = panel(width, series.points.length * ROW + 52, [6, 14 + values, 44, names + 12]);
  const place = lowerAxis(area, chart.y, low, high, { lines: true });
  const drawn = svg("g", { class: "bars" });
  const targets = series.points.map((point) => {
    const top = area.top + point.x * ROW;
    const look = point.look || series.look;
    const end = place(point.y);
    drawn.append(
      svg("text", { class: "name", x: area.left - 8, y: top + 16, "text-anchor": "end" }, fit(chart.categories[point.x], names)),
      svg("rect", { class: `bar look-${look}`, x: area.left, y: top + 4, width: Math.max(end - area.left, 1), height: ROW - 8 }),
      svg("text", { class: "value", x: Math.max(end, area.left + 1) + 5, y: top + 16 }, shown(chart, point.y)),
    );
    return { x: end, y: top + 4, box: [0, top, width, ROW], lines: [{ look, words: point.words }] };
  });
  return { area, parts: [drawn], targets, distance: (target, x, y) => Math.abs(target.y + ROW / 2 - 4 - y) };
}

const shown = (chart, value) => (chart.y.whole ? written(value) : value.toFixed(3));

export function stack(chart, width) {
  const rounds = [...new Set(chart.series.flatMap((series) => series.points.map((point) => point.x)))].sort((one, other) => one - other);
  const at = (series, x) => series.points.find((point) => point.x === x);
  const sums = rounds.map((x) => chart.series.reduce((sum, series) => sum + ((at(series, x) || {}).y || 0), 0));
  const [low, high] = ends(chart.y, sums);
  const area = panel(width, STACK_HEIGHT, [26, 14, 42, gutter(chart.y, low, high)]);
  const place = leftAxis(area, chart.y, low, high);
  const step = (area.right - area.left) / rounds.length;
  const columns = scale(0, rounds.length, area.left, area.right);
  const drawn = svg("g", { class: "bars" });
  nameRounds(area, rounds, columns, step);
  lowerTitle(area, chart.x);
  const targets = rounds.map((x, index) => {
    const left = columns(index) + step * 0.1;
    const lines = [];
    let below = 0;
    for (const series of chart.series) {
      const { y = 0, words } = at(series, x) || {};
      if (y > 0) drawn.append(svg("rect", { class: `bar look-${series.look}`, x: left, y: place(below + y), width: Math.min(step * 0.8, 60), height: Math.max(place(below) - place(below + y), 0.3) }));
      if (words) lines.unshift({ look: series.look, words });
      below += y || 0;
    }
    return { x: left + Math.min(step * 0.8, 60) / 2, y: place(below), heading: `${chart.x.title} ${written(x)}`, box: [left - 2, area.top, Math.min(step * 0.8, 60) + 4, area.bottom - area.top], lines };
  });
  return { area, parts: [drawn], targets, distance: (target, x) => Math.abs(target.x - x) };
}

/** The rounds under their bars, as many as have room. */
function nameRounds(area, rounds, columns, step) {
  const every = Math.max(1, Math.ceil((widthOf(written(rounds[rounds.length - 1])) + 12) / step));
  rounds.forEach((round, index) => {
    if (index % every) return;
    const x = columns(index) + step * 0.1 + Math.min(step * 0.8, 60) / 2;
    area.group.append(svg("text", { x, y: area.bottom + 17, "text-anchor": "middle" }, written(round)));
  });
}
