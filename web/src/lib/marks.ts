/** The shape of each level, in a box of 24: red octagon, orange diamond, yellow square, blue circle. */

import type { Level } from "./api";

export const LEVELS: readonly Level[] = [1, 2, 3, 4];

export const SHAPES: Record<Level, string> = {
  1: "M8.2 2h7.6L22 8.2v7.6L15.8 22H8.2L2 15.8V8.2z",
  2: "M12 .8 23.2 12 12 23.2.8 12z",
  3: "M2.5 2.5h19v19h-19z",
  4: "M12 1.5a10.5 10.5 0 1 0 0 21 10.5 10.5 0 0 0 0-21z",
};
