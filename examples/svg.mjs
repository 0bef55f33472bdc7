// @ts-check
/*
 * A little SVG: panels with axes. Where a panel is given by its scale, a unit is equally long on both
 * axes, so that circles stay circles and angles angles.
 */

/** @typedef {{ low: number, high: number }} Range */
/** @typedef {readonly [number, number]} Place - A place in a panel's own coordinates. */

/** Pixels of a unit of k or sigma. */
const unit = 260;

const style = `
  .ground { fill: #ffffff } text { fill: #24292f; font: 13px system-ui, sans-serif }
  .title { font-size: 16px; font-weight: 600 } .heading { font-size: 14px; font-weight: 600 }
  .axis { fill: none; stroke: #57606a } .grid { stroke: #e4e8ec }
`;

/** A rectangle of the picture that shows a rectangle of the plane. */
export class Panel {
  /**
   * @param {object} place
   * @param {number} place.left - Pixels.
   * @param {number} place.top
   * @param {Range} place.x - What it shows.
   * @param {Range} place.y
   * @param {number} [place.scale] - Pixels of a unit, unless width and height are given.
   * @param {number} [place.width] - Pixels.
   * @param {number} [place.height]
   */
  constructor({ left, top, x, y, scale = unit, width, height }) {
    this.left = left;
    this.top = top;
    this.x = x;
    this.y = y;
    this.scale = width === undefined ? scale : width / (x.high - x.low);
    this.scaleY = height === undefined ? scale : height / (y.high - y.low);
    this.right = left + (x.high - x.low) * this.scale;
    this.bottom = top + (y.high - y.low) * this.scaleY;
  }

  /** @param {number} value */
  across(value) {
    return this.left + (value - this.x.low) * this.scale;
  }

  /** @param {number} value */
  down(value) {
    return this.bottom - (value - this.y.low) * this.scaleY;
  }

  /**
   * As it stands in a path: x,y
   *
   * @param {Place} place
   */
  at([x, y]) {
    return `${coordinate(this.across(x))},${coordinate(this.down(y))}`;
  }

  /**
   * Grid, frame, numbers and titles of the axes; a heading above.
   *
   * @param {object} labels
   * @param {string} labels.heading
   * @param {string} labels.x
   * @param {string} [labels.y] - None: no numbers either.
   * @param {number} labels.every - The distance of the grid's lines.
   * @param {number} [labels.everyY] - The same upwards, where it is another.
   */
  axes({ heading, x, y, every, everyY = every }) {
    const { left, right, top, bottom } = this;
    const [middleX, middleY] = [(left + right) / 2, (top + bottom) / 2].map(coordinate);
    return [
      ...multiples(this.x, every).map((value) => {
        const place = coordinate(this.across(value));
        return (
          `<line class="grid" x1="${place}" x2="${place}" y1="${coordinate(top)}" y2="${coordinate(bottom)}"/>` +
          `<text x="${place}" y="${coordinate(bottom + 18)}" text-anchor="middle">${numberText(value)}</text>`
        );
      }),
      ...multiples(this.y, everyY).map((value) => {
        const place = coordinate(this.down(value));
        const label =
          y === undefined
            ? ''
            : `<text x="${coordinate(left - 8)}" y="${place}" dy="0.35em" text-anchor="end">${numberText(value)}</text>`;
        return `<line class="grid" x1="${coordinate(left)}" x2="${coordinate(right)}" y1="${place}" y2="${place}"/>${label}`;
      }),
      `<text class="heading" x="${middleX}" y="${coordinate(top - 10)}" text-anchor="middle">${heading}</text>`,
      `<text x="${middleX}" y="${coordinate(bottom + 38)}" text-anchor="middle">${x}</text>`,
      y === undefined
        ? ''
        : `<text x="${coordinate(left - 44)}" y="${middleY}" text-anchor="middle" ` +
          `transform="rotate(-90 ${coordinate(left - 44)} ${middleY})">${y}</text>`,
    ].join('\n');
  }

  /** The frame, to be drawn last. */
  frame() {
    const { left, right, top, bottom } = this;
    return `<path class="axis" d="M${coordinate(left)} ${coordinate(top)}V${coordinate(bottom)}H${coordinate(right)}"/>`;
  }

  /**
   * A line through places.
   *
   * @param {string} name - Its class.
   * @param {readonly Place[]} places
   * @param {{ closed?: boolean }} [options]
   */
  line(name, places, { closed = false } = {}) {
    const points = places.map((place) => this.at(place)).join(' ');
    return `<${closed ? 'polygon' : 'polyline'} class="${name}" points="${points}"/>`;
  }

  /**
   * Arrows of the same class; heads of `head` pixels.
   *
   * @param {string} name
   * @param {readonly { from: Place, to: Place }[]} arrows
   * @param {number} head
   */
  arrows(name, arrows, head) {
    const path = arrows.map(({ from, to }) => {
      const [x, y] = [this.across(to[0]), this.down(to[1])];
      const [dx, dy] = [x - this.across(from[0]), y - this.down(from[1])];
      const length = Math.hypot(dx, dy);
      const [ux, uy] = [(dx / length) * head, (dy / length) * head];
      const wing = (/** @type {number} */ side) =>
        `${coordinate(x - ux - side * 0.5 * uy)},${coordinate(y - uy + side * 0.5 * ux)}`;
      const tip = `${coordinate(x)},${coordinate(y)}`;
      return `M${this.at(from)}L${tip}M${wing(1)}L${tip}L${wing(-1)}`;
    });
    return `<path class="${name}" d="${path.join('')}"/>`;
  }

  /**
   * @param {string} name
   * @param {Place} place
   * @param {number} radius - Pixels.
   */
  dot(name, [x, y], radius) {
    return `<circle class="${name}" cx="${coordinate(this.across(x))}" cy="${coordinate(this.down(y))}" r="${radius}"/>`;
  }

  /**
   * Text that stands some pixels from a place.
   *
   * @param {Place} place
   * @param {string} text
   * @param {{ dx?: number, dy?: number, anchor?: 'start' | 'middle' | 'end', name?: string }} [options]
   */
  text([x, y], text, { dx = 0, dy = 0, anchor = 'start', name = '' } = {}) {
    return (
      `<text${name === '' ? '' : ` class="${name}"`} x="${coordinate(this.across(x) + dx)}" ` +
      `y="${coordinate(this.down(y) + dy)}" dy="0.35em" text-anchor="${anchor}">${text}</text>`
    );
  }
}

/**
 * A stand-alone SVG document. The ground is white wherever it is put.
 *
 * @param {object} picture
 * @param {number} picture.width
 * @param {number} picture.height
 * @param {string} picture.title
 * @param {string} picture.description - For those who cannot see it.
 * @param {string} picture.style - Of the classes that `parts` use.
 * @param {readonly string[]} picture.parts
 */
export function svgDocument({ width, height, title, description, style: own, parts }) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${title}</title>
<desc>${description}</desc>
<style>${style}${own}</style>
<rect class="ground" width="${width}" height="${height}"/>
<text class="title" x="${width / 2}" y="26" text-anchor="middle">${title}</text>
${parts.filter((part) => part !== '').join('\n')}
</svg>
`;
}

/**
 * Two decimals at most, and never -0.
 *
 * @param {number} value
 */
export function coordinate(value) {
  return String(Number(value.toFixed(2)) + 0);
}

/**
 * The multiples of a step in a range.
 *
 * @param {Range} range
 * @param {number} step
 */
export function multiples({ low, high }, step) {
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
}

/**
 * A number without rounding errors, with a real minus sign.
 *
 * @param {number} value
 */
export function numberText(value) {
  return coordinate(value).replace('-', '\u2212');
}
