// One picture of a task: learning curves, and what peers have published.

import { mostSeries, renderChart } from '../../dist/esm/cli/chart.js';
import { seriesOf } from '../../dist/esm/cli/learning-curves.js';
import { markName, number } from './text.mjs';
import { peers } from './results.mjs';

/**
 * Draws the cells of a task, one curve each: with a single one also its runs. Without a single finished run
 * there is nothing to draw, and with more configurations than colours only the first ones are drawn.
 */
export function drawTask(task, cells) {
  const withRuns = cells.filter(({ runs }) => runs.length > 0);
  const isOne = cells.length === 1;
  const series = withRuns.slice(0, mostSeries).map(({ label, runs }) =>
    seriesOf(
      isOne ? `${label}: mean, its standard error and ${runs.length} seeds` : label,
      runs.map(({ trace }) => trace),
      { withRuns: isOne },
    ),
  );
  const left = withRuns.length - series.length;
  const marks = (peers.tasks[task]?.marks ?? []).map((mark) => ({
    label: `${markName(mark)}: ${number(mark.value)}`,
    value: mark.value,
  }));
  return renderChart({
    title: left === 0 ? task : `${task} (${left} more configurations are in the table)`,
    quantity: 'mean return of the last 100 episodes',
    panels: [{ heading: '', series, marks }],
  });
}
