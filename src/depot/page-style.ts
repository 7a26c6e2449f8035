/** The style sheet of the depot's page, which the Content-Security-Policy allows by its hash. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; }
h2 { margin: 2rem 0 0; font-size: 1.3rem; }
h3 { margin: 0 0 .5rem; font-size: 1rem; }
header p, .about { margin: .2rem 0; }
.facts { margin: .2rem 0 1rem; opacity: .75; font-size: .9rem; }
article { border: 1px solid var(--line); border-radius: .5rem; margin: .75rem 0; padding: .75rem 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0 0 .75rem; font-size: .9rem; }
dt { opacity: .75; }
dd { margin: 0; overflow-wrap: anywhere; }
pre { background: var(--soft); border-radius: .3rem; margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; padding: .6rem .8rem; font-size: .85rem; }
nav ul { border-bottom: 1px solid var(--line); border-top: 1px solid var(--line); display: flex; flex-wrap: wrap; gap: .3rem 1.5rem; list-style: none; margin: 1rem 0; padding: .6rem 0; font-size: .9rem; }
table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { border-bottom: 1px solid var(--line); overflow-wrap: anywhere; padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top; }
.number { text-align: right; white-space: nowrap; }
details { font-size: .9rem; margin-top: .6rem; }
summary { cursor: pointer; }
.unseen { border: 1px solid currentcolor; font-size: .75em; padding: 0 .2em; margin: 0 .1em; }
`;
