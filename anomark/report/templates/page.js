"use strict";
// Sorting: every header of a score table becomes a button. Words (failed, n/a) and summary rows stay at the bottom.
for (const table of document.querySelectorAll("table.scores")) {
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    const raw = cell.dataset.sort ?? (headers[column].classList.contains("num") ? "" : cell.textContent.trim());
    return headers[column].classList.contains("num") ? (raw === "" ? null : Number(raw)) : raw.toLowerCase();
  };
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const numeric = header.classList.contains("num");
      const current = header.getAttribute("aria-sort");
      const direction = current ? (current === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const rows = [...body.rows].map((row) => [row, key(row, column)]);
      rows.sort(([rowA, a], [rowB, b]) => {
        const summary = rowA.classList.contains("summary") - rowB.classList.contains("summary");
        if (summary) return summary;
        if (a === null || b === null) return (a === null) - (b === null);
        return sign * (numeric ? a - b : a.localeCompare(b, "en", { numeric: true }));
      });
      body.append(...rows.map(([row]) => row));
    });
  });
}

// Filtering: an element is shown when each of its data attributes agrees with the choice; without one, it agrees.
const form = document.getElementById("filter");
const filtered = document.querySelectorAll("main tr[data-dataset], main tr[data-method], main article, .matrix [data-dataset]");
const apply = () => {
  const wanted = Object.fromEntries(new FormData(form));
  for (const element of filtered) {
    element.hidden = Object.entries(wanted).some(([name, value]) => value && element.dataset[name] && element.dataset[name] !== value);
  }
  const rows = [...document.querySelectorAll("#leaderboard tbody tr")];
  const shown = rows.filter((row) => !row.hidden).length;
  form.querySelector("output").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} results`;
};
form.addEventListener("change", apply);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(apply));
