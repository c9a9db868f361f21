// A page on which people read the OpenAPI document: one file, nothing from elsewhere.

/** The page. It fetches the document beside it and writes all of it as text. */
export const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sluice: the API</title>
<style>
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
  h2 { margin: 2rem 0 .5rem; }
  details { border-bottom: 1px solid #ddd; padding: .3rem 0; }
  summary { cursor: pointer; }
  code, pre { font: 13px/1.5 ui-monospace, monospace; }
  pre { background: #f5f5f5; padding: .5rem; overflow: auto; }
  b { display: inline-block; width: 5rem; font: bold 12px ui-monospace, monospace; }
  .GET { color: #06c; } .POST { color: #080; } .PUT { color: #a60; } .DELETE { color: #b00; } .OPTIONS { color: #666; }
  @media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818; } pre { background: #242424; } details { border-color: #333; } }
</style>
<h1>Sluice</h1>
<p id="about">Reading <a href="openapi.json">openapi.json</a> ...</p>
<main></main>
<script>
  const add = (parent, name, text, kind) => {
    const one = document.createElement(name);
    if (text !== undefined) one.textContent = text;
    if (kind) one.className = kind;
    return parent.appendChild(one);
  };
  const main = document.querySelector("main");
  fetch("openapi.json").then((answer) => answer.json()).then((api) => {
    const about = document.querySelector("#about");
    about.textContent = api.info.description + " Version " + api.info.version + ". ";
    add(about, "a", "openapi.json").href = "openapi.json";
    for (const { name } of api.tags) {
      const section = add(main, "section");
      add(section, "h2", name);
      for (const [path, methods] of Object.entries(api.paths)) {
        for (const [method, operation] of Object.entries(methods)) {
          if (!operation.tags.includes(name)) continue;
          const one = add(section, "details");
          const head = add(one, "summary");
          add(head, "b", method.toUpperCase(), method.toUpperCase());
          add(head, "code", path);
          if (operation.summary) add(head, "span", " " + operation.summary);
          for (const [status, { description, content }] of Object.entries(operation.responses)) {
            add(one, "div", status + " " + description);
            for (const { example } of Object.values(content ?? {})) add(one, "pre", JSON.stringify(example, undefined, 2));
          }
        }
      }
    }
  }).catch((error) => add(main, "p", String(error)));
</script>
</html>
`;
