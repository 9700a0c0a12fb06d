// Before the first paint: the chosen theme, so that a dark page never flashes white.
try {
  const theme = localStorage.getItem("searchloom.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser without storage follows the system's theme.
}
