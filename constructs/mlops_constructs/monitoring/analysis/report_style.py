"""The report's style sheet: no fonts, pictures or scripts from anywhere."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#f4f6f8;--card:#fff;--ink:#17212b;--dim:#566370;--line:#dde3e9;
--before:#94a3b3;--now:#2f6fde;--ok:#157347;--okb:#e0f3e8;--warn:#8a5300;--warnb:#fff0d2;
--crit:#b3261e;--critb:#fde3e1;--none:#566370;--noneb:#e9edf1}
@media(prefers-color-scheme:dark){:root{--bg:#11161c;--card:#1a2129;--ink:#e6ebf0;--dim:#9aa8b5;
--line:#2d3742;--before:#6d7d8d;--now:#6ea2ff;--ok:#7ddba6;--okb:#143524;--warn:#ffc56b;
--warnb:#3b2b0d;--crit:#ff9d94;--critb:#471d1a;--none:#9aa8b5;--noneb:#252e37}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,
"Segoe UI",Roboto,sans-serif;overflow-wrap:break-word}
main{max-width:70rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.5rem;line-height:1.25;margin:0}h2{font-size:1.15rem;margin:2.2rem 0 .7rem}
h3{font-size:.95rem;margin:0;font-weight:600}
p{margin:.3rem 0}.dim{color:var(--dim);font-size:.87rem}
.verdict{margin:1rem 0;padding:.9rem 1.1rem;border-radius:.6rem;font-size:1.08rem;font-weight:600}
.verdict ul{margin:.4rem 0 0;padding-left:1.2rem;font-size:.95rem;font-weight:400}
.ok{background:var(--okb);color:var(--ok)}.warning{background:var(--warnb);color:var(--warn)}
.critical{background:var(--critb);color:var(--crit)}.none{background:var(--noneb);color:var(--none)}
.pill{display:inline-block;padding:.05rem .55rem;border-radius:1rem;font-size:.8rem;font-weight:600;
white-space:nowrap}
.grid{display:grid;gap:.8rem;align-items:start;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr))}
.tiles{grid-template-columns:repeat(auto-fit,minmax(min(100%,14rem),1fr))}
.card{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:.8rem 1rem;
min-width:0}
.head{display:flex;gap:.6rem;justify-content:space-between;align-items:baseline;flex-wrap:wrap}
.big{font-size:1.5rem;font-weight:650;line-height:1.2;font-variant-numeric:tabular-nums}
.key{display:flex;gap:1rem;flex-wrap:wrap;font-size:.85rem;color:var(--dim);margin:0 0 .6rem}
.key i{display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin-right:.35rem;
vertical-align:-.08rem}
.b{background:var(--before)}.n{background:var(--now)}
.bins{display:flex;align-items:flex-end;height:7.5rem;gap:2px;border-bottom:1px solid var(--line);
margin-top:.6rem}
.bins>span{flex:1;display:flex;align-items:flex-end;height:100%;min-width:0}
.bins i{flex:1;border-radius:2px 2px 0 0;min-height:1px}
.ends{display:flex;justify-content:space-between;gap:.5rem;font-size:.78rem;color:var(--dim)}
.rows{display:grid;grid-template-columns:fit-content(45%) 1fr 3.6rem;gap:.25rem .6rem;
align-items:center;font-size:.85rem;margin-top:.6rem}
.rows>span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.rows b{font-weight:400;text-align:right;font-variant-numeric:tabular-nums;line-height:1.15;
font-size:.8rem}
.rows i{display:block;height:.55rem;border-radius:0 2px 2px 0;min-width:1px}
.rows i+i{margin-top:1px}
.rows b small{color:var(--dim);font-size:inherit;display:block}
.plot{position:relative;height:6.5rem;margin-top:.6rem}
.plot svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}
.plot .area{fill:var(--now);opacity:.16}.plot .line{fill:none;stroke:var(--now);stroke-width:2}
.plot .limit{stroke:var(--crit);stroke-width:1.5;stroke-dasharray:5 4}
.plot .alike{stroke:var(--dim);stroke-width:1;stroke-dasharray:2 3}
.table{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:.6rem}
table{border-collapse:collapse;width:100%;font-size:.88rem}
td:nth-child(n+4){overflow-wrap:anywhere}
th,td{text-align:left;padding:.45rem .8rem;border-top:1px solid var(--line);vertical-align:top}
tr:first-child>*{border-top:0}th{color:var(--dim);font-weight:600;white-space:nowrap}
td.num,th.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
details{margin-top:.8rem}summary{cursor:pointer;color:var(--dim)}
@media(max-width:40rem){body{font-size:14px}main{padding:1rem .75rem 3rem}
.stack tr{display:block;padding:.5rem 0;border-top:1px solid var(--line)}
.stack tr:first-child{display:none}.stack td{display:block;border:0;padding:.1rem .8rem;
text-align:left}.stack td[data-n]::before{content:attr(data-n) ": ";color:var(--dim)}
.stack td:empty{display:none}}
@media print{body{background:#fff}.card,.table{break-inside:avoid}}
"""
