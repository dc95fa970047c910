/* Runs before the first paint: the theme a person chose, or the system's.  A page may fix its own with data-theme-fixed. */
(function () {
  var root = document.documentElement;
  var fixed = root.getAttribute("data-theme-fixed");
  var chosen = null;
  try {
    chosen = localStorage.getItem("fengsui.theme");
  } catch (error) {
    /* storage may be forbidden: the system's theme then */
  }
  var dark = window.matchMedia && window.matchMedia("(prefers-color-scheme: dark)").matches;
  root.setAttribute("data-theme", fixed || (chosen === "light" || chosen === "dark" ? chosen : dark ? "dark" : "light"));
  root.classList.add("js");
})();
