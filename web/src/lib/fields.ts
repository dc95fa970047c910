/** Elements with the same `data-field` light up together: the one that is pointed at or focused, and its like elsewhere. */

export function linkFields(root: Document | HTMLElement): void {
  let lit: Element[] = [];

  function light(target: EventTarget | null): void {
    const field = target instanceof Element ? target.closest<HTMLElement>("[data-field]") : null;
    const name = field?.dataset.field;
    if (lit.length && name !== undefined && lit[0].getAttribute("data-field") === name) return;
    for (const one of lit) one.classList.remove("on");
    lit = name === undefined ? [] : [...root.querySelectorAll(`[data-field="${CSS.escape(name)}"]`)];
    for (const one of lit) one.classList.add("on");
  }

  root.addEventListener("mouseover", (event) => light(event.target));
  root.addEventListener("focusin", (event) => light(event.target));
  /* a click on a row brings its bytes into view, without leaving the row; a link is followed as a link */
  root.addEventListener("click", (event) => {
    const target = event.target as Element;
    const row = target.closest<HTMLElement>("tr[data-field]");
    if (!row || target.closest("a")) return;
    light(row);
    document.getElementById(`b${row.dataset.field}`)?.scrollIntoView({ block: "nearest" });
  });
}
