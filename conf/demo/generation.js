// Asks once a second which image answers, and shows the page again when it is another one.
const shown = document.getElementById('generation');
let first = '';

async function look() {
    try {
        const answer = await fetch('/generation', { cache: 'no-store' });
        const number = (await answer.text()).trim();

        if (first && number !== first) {
            sessionStorage.setItem('changed', number);
            location.reload();
            return;
        }
        first = number;
        shown.textContent = number;
    } catch (error) {
        shown.textContent = 'none: the server does not answer';
    }
    setTimeout(look, 1000);
}

if (sessionStorage.getItem('changed')) {
    sessionStorage.removeItem('changed');
    shown.closest('p').classList.add('changed');
}
look();
