/**
 * Whether reports carry entries and soft navigations are followed. The smallest build, which only
 * sends beacons, does without.
 */
declare const FULL: boolean;

declare module "#bytes" {
  /** The module, each byte less `shift`. */
  export const bytes: string;
  export const shift: number;
}

declare module "#module" {
  export const module: () => WebAssembly.Module;
}
