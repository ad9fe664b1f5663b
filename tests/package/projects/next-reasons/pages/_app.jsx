import { Vitals } from "edge-vitals/next/attribution";

export default function App({ Component, pageProps }) {
  return (
    <>
      <Component {...pageProps} />
      <Vitals site="portal" release="r1" overlay />
    </>
  );
}
