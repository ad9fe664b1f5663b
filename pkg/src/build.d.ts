/** True where reports carry entries and soft navigations are followed; false in the smallest build. */
declare const FULL: boolean;

declare module "#bytes" {
  /** The bytes of the wasm module as characters, each less `shift`. */
  export const bytes: string;
  export const shift: number;
}

declare module "#module" {
  export const module: (length?: number) => WebAssembly.Module;
}

declare module "*/fallback.js" {
  /** The export of the module for callbacks, in the form of JavaScript. */
  export const handle: (opcode: number, slot: number, browserCount?: number, ...operands: import("./opcodes.js").Operand[]) => number;
}

declare module "*/start-fallback.js" {
  /** The export of the module for beacons, in the form of JavaScript. */
  export const handle: (opcode: number, browserCount?: number, ...operands: import("./opcodes.js").Operand[]) => number;
}
