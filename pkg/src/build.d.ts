/** True where reports carry entries and soft navigations are followed; false in the smallest build. */
declare const FULL: boolean;

declare module "#bytes" {
  /** The bytes of the wasm module as characters, each less `shift`. */
  export const bytes: string;
  export const shift: number;
}

declare module "#module" {
  export const module: () => WebAssembly.Module;
}
