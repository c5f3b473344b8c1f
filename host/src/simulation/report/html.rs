//! The report as a page of its own: nothing in it is loaded from anywhere.

use std::fmt::{self, Write as _};

use super::{
    BetReport, PPM, Report, plots,
    text::{grouped, percent, trimmed},
};

const STYLE: &str = include_str!("style.css");

impl Report {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail.
        let _written = self.write_html(&mut page);
        page
    }

    fn write_html(&self, page: &mut String) -> fmt::Result {
        let title = escaped(&self.title);
        writeln!(page, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
        writeln!(page, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
        writeln!(page, "<title>{title}: simulated return</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>")?;
        writeln!(page, "<h1>{title} <small>{} {}</small></h1>", escaped(&self.game), escaped(&self.version))?;
        let (class, verdict) = if self.agrees {
            ("agrees", "What was measured agrees with what the game declares.")
        } else {
            ("differs", "What was measured does not agree with what the game declares.")
        };
        writeln!(page, "<p class=\"verdict {class}\">{verdict}</p>")?;
        self.write_returns(page)?;
        for bet in &self.bets {
            self.write_bet(page, bet)?;
        }
        self.write_parameters(page)?;
        writeln!(page, "</main>\n</body>\n</html>")
    }

    /// All bets beside what is declared.
    fn write_returns(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "<section>\n<h2>Return</h2>")?;
        page.push_str(&plots::returns(self));
        writeln!(
            page,
            "<p class=\"note\">Points are the measured returns, thick bars hold each bet's with 99&nbsp;% confidence; thin bars hold \
             those of all bets together with 99&nbsp;%, and by them they are judged. The line is the declared {}.</p>",
            percent(self.declared_rtp)
        )?;
        writeln!(
            page,
            "<div class=\"wide\"><table>\n<thead><tr><th>Bet</th><th>Rounds</th><th>Return</th><th>99&nbsp;% interval</th>"
        )?;
        writeln!(
            page,
            "<th>Volatility</th><th>Hits</th><th>Wins over the stake</th><th>Largest win</th><th></th></tr></thead>\n<tbody>"
        )?;
        for bet in &self.bets {
            let agrees = bet.rtp_agrees && bet.max_win_agrees;
            let verdict =
                if agrees { "<span class=\"agrees\">agrees</span>" } else { "<span class=\"differs\">differs</span>" };
            writeln!(
                page,
                "<tr><th><a href=\"#{0}\">{0}</a></th><td>{1}</td><td>{2}</td><td>{3} to {4}</td><td>{5:.3}</td><td>{6}</td><td>{7}</td>\
                 <td>{8}</td><td>{verdict}</td></tr>",
                escaped(&bet.name),
                grouped(u128::from(bet.rounds)),
                percent(bet.rtp),
                percent(bet.interval.low),
                percent(bet.interval.high),
                bet.volatility,
                percent(bet.hit_frequency),
                percent(bet.win_frequency),
                trimmed(bet.largest_win),
            )?;
        }
        writeln!(page, "</tbody></table></div>\n</section>")
    }

    fn write_bet(&self, page: &mut String, bet: &BetReport) -> fmt::Result {
        let (name, summary) = (escaped(&bet.name), escaped(&bet.summary));
        writeln!(page, "<section id=\"{name}\">\n<h2>{name} <small>{summary}</small></h2>\n<div class=\"plots\">")?;
        writeln!(
            page,
            "<figure>{}<figcaption>Return as it settles</figcaption></figure>",
            plots::convergence(self, bet)
        )?;
        writeln!(
            page,
            "<figure>{}<figcaption>Rounds by what they pay, in stakes</figcaption></figure>\n</div>",
            plots::distribution(bet)
        )?;
        writeln!(page, "<div class=\"tables\">")?;
        write_table(
            page,
            "Method",
            &["Calls a round", "Staked", "Refunded", "Paid", "Of the stakes"],
            bet.methods.iter().map(|method| {
                let amounts = [method.staked, method.refunded, method.paid].map(grouped);
                let [staked, refunded, paid] = amounts;
                (
                    method.name.clone(),
                    vec![format!("{:.5}", method.calls_per_round), staked, refunded, paid, percent(method.rtp)],
                )
            }),
        )?;
        write_table(
            page,
            "Pays",
            &["Rounds", "One in", "Of the return"],
            bet.distribution.iter().enumerate().filter(|(_, class)| class.rounds > 0).map(|(place, class)| {
                let to =
                    bet.distribution.get(place + 1).map_or_else(|| trimmed(bet.largest_win), |next| trimmed(next.from));
                let one_in = trimmed((100.0 / class.share).round() / 100.0);
                (
                    format!("{} to {to}", trimmed(class.from)),
                    vec![grouped(u128::from(class.rounds)), one_in, percent(class.share_of_return)],
                )
            }),
        )?;
        write_table(
            page,
            "Share of rounds",
            &["Pay at most, in stakes"],
            bet.quantiles
                .iter()
                .map(|quantile| (format!("{} %", trimmed(100.0 * quantile.share)), vec![trimmed(quantile.multiple)])),
        )?;
        write_table(
            page,
            "Greatest wins",
            &["Paid", "Batch", "Round"],
            bet.top.iter().map(|win| {
                let cells = vec![grouped(u128::from(win.paid)), win.batch.to_string(), win.round.to_string()];
                (format!("{} stakes", trimmed(win.multiple_ppm as f64 / PPM)), cells)
            }),
        )?;
        write_table(
            page,
            "Longest droughts",
            &["Batch", "From round"],
            bet.droughts.iter().map(|drought| {
                (format!("{} rounds", drought.rounds), vec![drought.batch.to_string(), drought.first.to_string()])
            }),
        )?;
        write_table(
            page,
            "Event",
            &["Told"],
            bet.events.iter().map(|(event, count)| (event.clone(), vec![grouped(u128::from(*count))])),
        )?;
        writeln!(page, "</div>\n</section>")
    }

    fn write_parameters(&self, page: &mut String) -> fmt::Result {
        writeln!(page, "<section>\n<h2>Run</h2>\n<dl>")?;
        let declared = format!("{}, largest win {} stakes", percent(self.declared_rtp), trimmed(self.declared_max_win));
        let played = match &self.strategy {
            Some(digest) => format!("call by call, by the strategy {digest}"),
            None => "by the release itself, a sample of it through players' calls too".to_owned(),
        };
        for (name, value) in [
            ("Release (SHA-256)", self.release.clone()),
            ("Declared return", declared),
            ("Played", played),
            ("Seed", self.seed.to_string()),
            (
                "Rounds",
                format!(
                    "{}, in batches of {}",
                    grouped(u128::from(self.rounds)),
                    grouped(u128::from(self.batch_rounds))
                ),
            ),
        ] {
            writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escaped(&value))?;
        }
        writeln!(page, "</dl>\n</section>")
    }
}

/// A table, unless there is nothing in it.
fn write_table(
    page: &mut String,
    of: &str,
    columns: &[&str],
    rows: impl Iterator<Item = (String, Vec<String>)>,
) -> fmt::Result {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let heads: String = columns.iter().map(|column| format!("<th>{column}</th>")).collect();
    writeln!(page, "<div class=\"wide\"><table>\n<thead><tr><th>{of}</th>{heads}</tr></thead>\n<tbody>")?;
    for (name, cells) in rows {
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escaped(cell))).collect();
        writeln!(page, "<tr><th>{}</th>{cells}</tr>", escaped(&name))?;
    }
    writeln!(page, "</tbody></table></div>")
}

/// Text that the page cannot take for anything else: games and strategies bring their own words.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
