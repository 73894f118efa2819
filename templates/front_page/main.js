// ---- hands, and the clock

$('pause').onclick = pause;
$('filter').oninput = filterTyped;
$('filter').onkeydown = event => { if (event.key === 'Enter') applyFilter(); };
$('older').onclick = showOlder;
$('to-live').onclick = goLive;
$('feed-scroll').onscroll = feedScrolled;
$('copy').onclick = () => offer($('code').textContent, $('copy'));
$('copy-link').onclick = () => offer(linkToPage(), $('copy-link'));
$('copy-open').onclick = () => offer(linkToPage(), $('copy-open'));
for (const button of document.querySelectorAll('[data-sample]')) {
  button.onclick = () => offer(samples()[button.dataset.sample], button);
}
$('save-csv').onclick = saveCsv;
$('save-ndjson').onclick = saveNdjson;
$('token-form').onsubmit = takeToken;
$('close').onclick = () => $('details').close();
$('details').onclose = detailsClosed;
$('feed').onclick = event => { const tr = event.target.closest('tr'); if (tr) open(tr); };
$('feed').onkeydown = keyInFeed;
$('feed').addEventListener('focusin', focusInFeed);
document.onkeydown = event => {
  const typing = event.target.matches('input, button, [role="tab"]') || $('details').open;
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === 'p') pause();
  if (event.key === '/') { event.preventDefault(); $('filter').focus(); }
};
document.onvisibilitychange = visibilityChanged;
window.onhashchange = () => { if (location.hash !== fragment()) restoreState(); };
makeTabs();
restoreState();
if (document.hidden) visibilityChanged();
setTimeout(poll, STATUS_MS);
setInterval(() => { if (!document.hidden) nextTurn(); }, TURN_MS);
setInterval(() => {
  countSecond();
  watchConnection();
  describe();
  describeCount();
}, 1000);
