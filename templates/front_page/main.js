// ---- hands

$('pause').onclick = pause;
$('filter').oninput = filter;
$('copy').onclick = copy;
$('token-form').onsubmit = takeToken;
$('close').onclick = () => $('details').close();
$('feed').onclick = event => { const tr = event.target.closest('tr'); if (tr) open(tr); };
$('feed').onkeydown = event => {
  if (event.key !== 'Enter' || !event.target.matches('tr')) return;
  event.preventDefault(); // else the same key presses the button that then has the focus
  open(event.target);
};
document.onkeydown = event => {
  const typing = event.target.matches('input, button, [role="tab"]') || $('details').open;
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'p') pause();
  if (event.key === '/') { event.preventDefault(); $('filter').focus(); }
};
makeTabs();
connect();
poll();
setInterval(tick, TURN_MS);
