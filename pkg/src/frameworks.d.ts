// The parts of React and Next.js that `pkg/frontend` uses. Both are peer dependencies and not installed
// here; `tests/package` builds and type-checks real projects with them.

declare module "react" {
  export type EffectCallback = () => void | (() => void);
  export function useEffect(effect: EffectCallback, dependencies?: readonly unknown[]): void;
  export function useRef<T>(value: T): { current: T };
  export const Suspense: unique symbol;
  export function createElement<P>(type: symbol | ((props: P) => null), props: P, ...children: unknown[]): null;
  export function createElement(type: symbol, props: { fallback: null }, ...children: unknown[]): null;
}

declare module "next/compat/router.js" {
  export function useRouter(): { pathname: string } | null;
}

declare module "next/navigation.js" {
  export function useParams(): Readonly<Record<string, string | string[] | undefined>> | null;
  export function usePathname(): string | null;
  export function useSelectedLayoutSegments(): string[] | null;
}
