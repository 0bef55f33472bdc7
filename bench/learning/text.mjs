// Numbers and tables as text.

import { tickText } from '../../dist/esm/cli/drawing.js';
import { peers } from './results.mjs';

/** Four digits, or all before the point; a dash for what does not exist. */
export function number(value, digits = 4) {
  if (value === undefined || value === null || Number.isNaN(value)) return '–';
  const whole = Math.abs(value) >= 10 ** (digits - 1);
  return whole ? value.toFixed(0) : String(Number(value.toPrecision(digits)));
}

/** A mean and its standard error, with as many decimals as the error has two digits for. */
export function meanText({ mean, standardError } = {}) {
  if (mean === undefined || Number.isNaN(mean)) return '–';
  if (!(standardError > 0)) {
    return Number.isNaN(standardError) ? number(mean) : `${number(mean)} ± 0`;
  }
  const decimals = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(standardError))));
  return `${mean.toFixed(decimals)} ± ${standardError.toFixed(decimals)}`;
}

/** A peer's figure in a few words: "Tianshou NPG, best". */
export function markName({ source, method, variant, steps }) {
  const { name, kind } = peers.sources[source];
  const words = [method, variant].filter((word) => word !== undefined).join(' ');
  return [
    `${name} ${words}`,
    kind === 'best' ? 'best' : undefined,
    steps === 1_000_000 ? undefined : `${tickText(steps)} steps`,
  ]
    .filter((part) => part !== undefined)
    .join(', ');
}

/** Rows of a Markdown table, the first its head; columns after the first `left` are aligned right. */
export function markdownTable([head, ...rows], left = 1) {
  const cell = (value) => String(value).replaceAll('|', '\\|');
  const all = [head, ...rows].map((row) => row.map(cell));
  const widths = all[0].map((_, column) => Math.max(3, ...all.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row
      .map((text, column) =>
        column < left ? text.padEnd(widths[column]) : text.padStart(widths[column]),
      )
      .join(' | ')} |`;
  const rule = widths.map((width, column) =>
    column < left ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [line(all[0]), `| ${rule.join(' | ')} |`, ...all.slice(1).map(line)].join('\n');
}

/** Comma-separated values, numbers with six digits; a text with a comma or quote is quoted. */
export function csv(rows) {
  const field = (value) => {
    if (typeof value === 'number') {
      return Number.isNaN(value)
        ? ''
        : String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
    }
    const text = String(value ?? '');
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(field).join(',')}\n`).join('');
}
