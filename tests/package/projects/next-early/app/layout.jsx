import { VitalsRoute } from "edge-vitals/next/route";

export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>
        {children}
        <VitalsRoute />
      </body>
    </html>
  );
}
