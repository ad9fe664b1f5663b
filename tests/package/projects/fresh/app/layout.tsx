import { VitalsRoute } from "edge-vitals/next/route";

export default function RootLayout({ children }: { children: React.ReactNode }) {
  return (
    <html lang="en">
      <body>
        {children}
        <VitalsRoute overlay />
      </body>
    </html>
  );
}
