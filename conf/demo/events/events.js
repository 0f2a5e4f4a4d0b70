// Server-sent events: the browser reconnects by itself and names the last event that it has seen.
const list = document.getElementById('events');
const state = document.getElementById('state');
const last = document.getElementById('last');
const source = new EventSource('/events/stream?last_event_id=0');

source.onopen = () => {
    state.textContent = 'open';
};
source.onerror = () => {
    state.textContent = source.readyState === EventSource.CLOSED ? 'closed' : 'coming back';
};
source.onmessage = event => {
    const item = document.createElement('li');

    item.textContent = event.data;
    list.append(item);
    list.scrollTop = list.scrollHeight;
    last.textContent = event.lastEventId;
};
source.addEventListener('gap', () => {
    const item = document.createElement('li');

    item.textContent = 'Events are missing here.';
    list.append(item);
});
document.getElementById('publish').addEventListener('click', () => {
    fetch('/events/publish', { method: 'POST', body: new Date().toLocaleTimeString() });
});
