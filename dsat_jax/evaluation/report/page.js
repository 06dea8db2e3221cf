"use strict";
// Copies the tab-separated table. Without the Clipboard API, as may happen for a local file, it selects and copies.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    let copied = false;
    try {
      await navigator.clipboard.writeText(source.textContent);
      copied = true;
    } catch {
      source.closest("details").open = true;
      getSelection().selectAllChildren(source);
      copied = document.execCommand("copy");
    }
    const label = button.textContent;
    button.textContent = copied ? "Copied" : "Selected: copy it with the keyboard";
    setTimeout(() => { button.textContent = label; }, 1600);
  });
}
for (const box of document.querySelectorAll("input[data-hides]")) {
  box.addEventListener("change", () => {
    document.querySelector(".faces").classList.toggle(box.dataset.hides, !box.checked);
  });
}
