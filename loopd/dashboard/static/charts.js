// Draws the charts of a page from the numbers that came with it: each figure holds its own as JSON.
// Colours, light and dark, are the style sheet's. Without this file the tables tell the same.
import { bars, stack } from "./chart_bars.js";
import { lines } from "./chart_lines.js";
import { matrix } from "./chart_matrix.js";
import { html, svg } from "./chart_parts.js";
import { swatch, tips } from "./chart_tips.js";

const KINDS = { lines, bars, stack, matrix };
const LEAST = 220;
const widths = new WeakMap();

/** Draw every chart under an element, and again whenever its room changes. */
export function drawCharts(root) {
  for (const figure of root.querySelectorAll("figure[data-chart]")) {
    watcher.observe(figure);
    draw(figure);
  }
}

const watcher = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (!target.isConnected) watcher.unobserve(target);
    else if (roomOf(target) !== widths.get(target)) draw(target);
  }
});

const roomOf = (figure) => Math.max(LEAST, Math.floor(figure.clientWidth));

function draw(figure) {
  if (!figure.clientWidth) return; // in a part that is closed: it is drawn when it opens
  const chart = JSON.parse(figure.dataset.chart);
  const width = roomOf(figure);
  const had = figure.contains(document.activeElement);
  widths.set(figure, width);
  const drawn = KINDS[chart.kind](chart, width);
  const drawing = svg("svg", {
    class: "drawing", "data-kind": chart.kind, viewBox: `0 0 ${width} ${Math.ceil(drawn.area.height)}`,
    role: "img", tabindex: "0", "aria-label": `${chart.title}. ${chart.summary} The arrow keys read its points.`,
  }, drawn.area.group, ...drawn.parts);
  const plot = html("div", { class: "plot" }, ...legend(chart), drawing);
  figure.querySelector(".plot")?.remove();
  figure.prepend(plot);
  tips(figure, drawing, drawn);
  if (had) drawing.focus({ preventScroll: true });
}

/** Names of the series, where there is more than one. */
function legend(chart) {
  const named = chart.series.filter((series) => series.name);
  if (chart.kind === "matrix" || chart.kind === "bars") return [];
  if (named.length < 2 && !named.some((series) => series.points.some((point) => point.low !== undefined))) return [];
  const entries = named.map((series) => html("li", {}, swatch(series.look, series.dashed), html("bdi", {}, series.name)));
  return [html("ul", { class: "legend" }, ...entries)];
}
