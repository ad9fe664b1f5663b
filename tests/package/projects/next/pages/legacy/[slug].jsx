export const getStaticPaths = () => ({ paths: [{ params: { slug: "news" } }], fallback: false });
export const getStaticProps = ({ params }) => ({ props: { slug: params.slug } });

export default function Entry({ slug }) {
  return <h1>Entry {slug}</h1>;
}
