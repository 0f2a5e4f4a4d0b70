// A chat over one WebSocket, which comes back by itself and goes on where it was.
//
// With the subprotocol "selvage.channel" the first message says behind which number the connection
// begins; from there on each message is the next one. What was said is kept until it has come back,
// so a message that was on its way when a connection broke is sent again; its own mark tells
// whether that came twice.
const list = document.getElementById('messages');
const state = document.getElementById('state');
const input = document.getElementById('text');
const name = sessionStorage.getItem('name') || 'weaver ' + Math.floor(100 + Math.random() * 900);
const pending = new Map();
const seen = new Set();
let socket = null, last = 0, told = false;

sessionStorage.setItem('name', name);
document.getElementById('name').textContent = name;

function show(message) {
    const item = document.createElement('li');
    const who = document.createElement('b');

    who.textContent = message.name + ' ';
    item.append(who, message.text);
    item.classList.toggle('mine', message.name === name);
    list.append(item);
    list.scrollTop = list.scrollHeight;
}

function take(data) {
    if (!told) {
        const begin = JSON.parse(data);

        told = true;
        last = begin.after;
        state.textContent = 'open';
        pending.forEach(text => socket.send(text));
        return;
    }
    last++;
    try {
        const message = JSON.parse(data);

        pending.delete(message.mark);
        if (!seen.has(message.mark)) {
            seen.add(message.mark);
            show(message);
        }
    } catch (error) {
        show({ name: 'somebody', text: data });
    }
}

function connect() {
    const scheme = location.protocol === 'https:' ? 'wss://' : 'ws://';

    told = false;
    socket = new WebSocket(scheme + location.host + '/chat/socket?last_event_id=' + last,
        'selvage.channel');
    socket.onmessage = event => take(event.data);
    socket.onclose = () => {
        state.textContent = 'closed, coming back';
        setTimeout(connect, 300 + Math.random() * 700);
    };
}

document.getElementById('say').addEventListener('submit', event => {
    const mark = name + '/' + Date.now() + '/' + Math.random();
    const text = JSON.stringify({ name: name, mark: mark, text: input.value });

    event.preventDefault();
    input.value = '';
    pending.set(mark, text);
    if (told && socket.readyState === WebSocket.OPEN)
        socket.send(text);
});
connect();
