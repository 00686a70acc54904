(function (root, read) {
  var theme = read("hnp.theme"), rail = read("hnp.rail");
  if (/^(light|dark|contrast)$/.test(theme)) root.dataset.theme = theme;
  if (rail === "narrow") root.dataset.rail = "narrow";
})(document.documentElement, function (key) {
  try { return localStorage.getItem(key); } catch (_) { return null; }
});
