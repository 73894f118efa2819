// ---- hands, and the clock

$('pause').onclick = pause;
$('filter').oninput = filter;
$('older').onclick = showOlder;
$('to-live').onclick = goLive;
$('feed-scroll').onscroll = feedScrolled;
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
document.onvisibilitychange = () => {
  if (document.hidden) return;
  readStatus();
  if (!standsStill()) goLive(); // no rows were made meanwhile
};
makeTabs();
connect();
setTimeout(poll, STATUS_MS);
setInterval(() => { if (!document.hidden) show(); }, TURN_MS);
setInterval(() => {
  countSecond();
  watchConnection();
  describe();
  count();
}, 1000);
