import { VitalsRoute } from "edge-vitals/next/route";

export default function App({ Component, pageProps }) {
  return (
    <>
      <Component {...pageProps} />
      <VitalsRoute />
    </>
  );
}
