// As much of js-yaml as the tests need: it brings no types of its own.
declare module "js-yaml" {
  const yaml: { load: (text: string) => any };
  export default yaml;
}
