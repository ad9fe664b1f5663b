import { Vitals } from "edge-vitals/next/attribution";

export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>
        {children}
        <Vitals site="portal" release="r1" overlay />
      </body>
    </html>
  );
}
