/** Props of `<VitalsRoute>`. */
export interface VitalsRouteProps {
  /** The route template of the path. Default: the router's own. */
  route?: string;
  /** In development, shows the page's metrics beside their budgets in a corner of the page. */
  overlay?: boolean;
}

/**
 * Names the views that `edge-vitals/next/client` measures by the templates of their routes. Render one in the
 * root layout or in `_app`. It renders nothing.
 */
export function VitalsRoute(props: VitalsRouteProps): null;
