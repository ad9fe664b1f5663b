import Link from "next/link";
import { VitalsRoute } from "edge-vitals/next/route";

import { Tools } from "./tools";

// The links of the tours.
export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>
        {children}
        <nav>
          <Link id="home" href="/">Start</Link> <Link id="product" href="/product/42">Plant</Link>{" "}
          <Link id="other" href="/product/product" replace>Pot</Link> <Link id="slow" href="/slow" prefetch={false}>Slow</Link>{" "}
          <Link id="moved" href="/moved" prefetch={false}>Moved</Link> <Link id="search" href="/search?q=1">Search</Link>
        </nav>
        <Tools />
        <VitalsRoute />
      </body>
    </html>
  );
}
