// A matrix of counts: right labels down, the model's across; the darker, the greater the share.
import { fit, panel, svg, widthOf, written } from "./chart_parts.js";

const STEPS = 5;

export function matrix(chart, width) {
  const size = chart.categories.length;
  const longest = Math.max(...chart.categories.map(widthOf));
  const names = Math.min(longest, width * 0.28);
  const across = Math.min(longest, 110);
  const cell = Math.min((width - names - 14) / size, 64);
  const height = Math.max(Math.min(cell, 44), 22);
  const area = panel(width, size * height + across + 58, [8 + 18, width - names - 10 - cell * size, 0, names + 10]);
  const drawn = svg("g", { class: "cells" });
  area.group.append(svg("text", { class: "axis-title", x: 2, y: 12 }, `${chart.y.title} (down), ${chart.x.title} (across)`));
  const targets = chart.series.flatMap((series, row) => {
    const total = series.points.reduce((sum, point) => sum + point.y, 0);
    const top = area.top + row * height;
    area.group.append(svg("text", { class: "name", x: area.left - 6, y: top + height / 2 + 4, "text-anchor": "end" }, fit(series.name, names)));
    return series.points.map((point) => {
      const left = area.left + point.x * cell;
      const shade = total && point.y ? Math.max(1, Math.ceil((point.y / total) * STEPS)) : 0;
      drawn.append(svg("rect", { class: `cell shade-${shade}${row === point.x ? " right" : ""}`, x: left, y: top, width: cell - 1, height: height - 1 }));
      if (point.y && widthOf(written(point.y)) < cell) drawn.append(svg("text", { class: `count on-${shade}`, x: left + cell / 2, y: top + height / 2 + 4, "text-anchor": "middle" }, written(point.y)));
      return { x: left + cell / 2, y: top, box: [left - 1, top - 1, cell + 1, height + 1], lines: [{ look: "0", words: point.words }] };
    });
  });
  const bottom = area.top + size * height;
  chart.categories.forEach((name, column) => {
    const x = area.left + (column + 0.5) * cell + 4;
    drawn.append(svg("text", { class: "name", x, y: bottom + 6, transform: `rotate(-90 ${x} ${bottom + 6})`, "text-anchor": "end" }, fit(name, across)));
  });
  area.height = bottom + across + 14;
  const distance = (target, x, y) => Math.hypot(target.x - x, target.y + height / 2 - y);
  return { area, parts: [drawn], targets, distance, columns: size };
}
