export default function Search() {
  return <h1>A search for plants</h1>;
}
