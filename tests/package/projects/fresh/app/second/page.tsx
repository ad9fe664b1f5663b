export default function Page() {
  return (
    <main>
      <h1>Second</h1>
    </main>
  );
}
