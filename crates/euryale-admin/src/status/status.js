// The page comes again each second; whatever has an id and has changed is put in its place.
const live = document.getElementById('live');
const source = new EventSource('status/events');

function show({ data }) {
    const fresh = new DOMParser().parseFromString(data, 'text/html');
    for (const now of fresh.querySelectorAll('[id]')) {
        const old = document.getElementById(now.id);
        if (old && !old.isEqualNode(now)) old.replaceWith(now);
    }
}

source.onopen = () => { live.textContent = 'Live'; };
source.onerror = () => {
    const ended = source.readyState === EventSource.CLOSED;
    live.textContent = ended ? 'Not live any more' : 'Connection lost, trying again';
};
source.addEventListener('status', show);
source.addEventListener('drain', event => {
    source.close();
    show(event);
    live.textContent = 'The drain has begun: these are the last numbers';
});
