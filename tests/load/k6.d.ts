// The part of k6 that its script uses.
declare module "k6" {
  export function check<T>(value: T, sets: Record<string, (value: T) => boolean>): boolean;
}
declare module "k6/execution" {
  const exec: { scenario: { name: string; iterationInTest: number } };
  export default exec;
}
declare module "k6/http" {
  type Answer = { status: number; body: string };
  type Params = { headers?: Record<string, string>; tags?: Record<string, string> };
  const http: { get(url: string, params?: Params): Answer; post(url: string, body: string, params?: Params): Answer };
  export default http;
}
declare const __ENV: Record<string, string>;
