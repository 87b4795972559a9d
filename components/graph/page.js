// Finds tables by name, role or words. Without it the page shows all of them.
const find = document.querySelector('.find');
const text = find?.querySelector('input[type=search]');
const differing = find?.querySelector('input[type=checkbox]');
const nothing = document.getElementById('nothing-found');

function show() {
  const wanted = text.value.trim().toLowerCase();
  let found = 0;
  for (const table of document.querySelectorAll('[data-table]')) {
    const fits =
      table.textContent.toLowerCase().includes(wanted) &&
      (!differing?.checked || table.hasAttribute('data-differs'));
    table.hidden = !fits;
    found += fits;
  }
  nothing.hidden = found > 0;
}

// A stack without a table has nothing to find.
find?.removeAttribute('hidden');
text?.addEventListener('input', show);
differing?.addEventListener('change', show);
