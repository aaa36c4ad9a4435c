//! The order of replies: which messages are acted on, which are skipped after an error, and what ends with ReadyForQuery.
//!
//! Pure. Call [`Machine::on_message`] for each message; when it says [`Step::Act`], act, then tell the result to
//! [`Machine::on_result`] and do what it says, in the order of its fields.
//! Source: <https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY>

/// The kinds of message, as far as the order of replies goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    FunctionCall,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Sync,
    Flush,
    Terminate,
    /// Copy data outside of a copy.
    Stray,
    /// A password nobody asked for.
    Unexpected,
}

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Act on it, then call [`Machine::on_result`].
    Act,
    /// Forget it.
    Skip,
    /// The client says goodbye: close without a reply.
    End,
    /// 08P01, FATAL.
    Violation,
}

/// How acting went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Failed,
}

/// What follows an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct After {
    /// A reply without a body: ParseComplete `1`, BindComplete `2`, CloseComplete `3`.
    pub reply: Option<u8>,
    /// The implicit transaction ends here, and ReadyForQuery is sent.
    pub ready: bool,
    /// What was written goes out now.
    pub flush: bool,
}

/// Start in the ready state, after the first ReadyForQuery.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    skipping: bool,
}

impl Machine {
    /// Decides about the next message.
    pub(crate) fn on_message(&mut self, kind: Kind) -> Step {
        match kind {
            Kind::Terminate => Step::End,
            Kind::Unexpected => Step::Violation,
            Kind::Stray => Step::Skip,
            Kind::Sync => {
                self.skipping = false;
                Step::Act
            }
            Kind::Query
            | Kind::FunctionCall
            | Kind::Parse
            | Kind::Bind
            | Kind::Describe
            | Kind::Execute
            | Kind::Close
            | Kind::Flush => {
                if self.skipping {
                    Step::Skip
                } else {
                    Step::Act
                }
            }
        }
    }

    /// Says what follows the act. A failure's ErrorResponse has been written by the caller before.
    pub(crate) fn on_result(&mut self, kind: Kind, outcome: Outcome) -> After {
        let ready = After { reply: None, ready: true, flush: true };
        let reply = |tag| After { reply: Some(tag), ..After::default() };
        match (kind, outcome) {
            (Kind::Query | Kind::FunctionCall | Kind::Sync, Outcome::Done | Outcome::Failed) => ready,
            (Kind::Parse, Outcome::Done) => reply(b'1'),
            (Kind::Bind, Outcome::Done) => reply(b'2'),
            (Kind::Close, Outcome::Done) => reply(b'3'),
            (Kind::Flush, Outcome::Done) => After { flush: true, ..After::default() },
            (Kind::Describe | Kind::Execute | Kind::Terminate | Kind::Stray | Kind::Unexpected, Outcome::Done) => {
                After::default()
            }
            (
                Kind::Parse
                | Kind::Bind
                | Kind::Describe
                | Kind::Execute
                | Kind::Close
                | Kind::Flush
                | Kind::Terminate
                | Kind::Stray
                | Kind::Unexpected,
                Outcome::Failed,
            ) => {
                self.skipping = true;
                // The client may wait for the error before it sends Sync.
                After { flush: true, ..After::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(letter: char) -> Kind {
        match letter {
            'Q' => Kind::Query,
            'F' => Kind::FunctionCall,
            'P' => Kind::Parse,
            'B' => Kind::Bind,
            'D' => Kind::Describe,
            'E' => Kind::Execute,
            'C' => Kind::Close,
            'S' => Kind::Sync,
            'H' => Kind::Flush,
            'X' => Kind::Terminate,
            'd' => Kind::Stray,
            'p' => Kind::Unexpected,
            other => panic!("unknown letter {other}"),
        }
    }

    /// Plays messages, `!` marking those whose act fails. The transcript has `a<kind>` for an act, its replies, `E` for an
    /// error, `Z` for ReadyForQuery and `|` for a flush.
    fn check(messages: &str, transcript: &str) {
        let mut machine = Machine::default();
        let mut seen = Vec::new();
        for word in messages.split_whitespace() {
            let letter = word.chars().next().expect("words are not empty");
            let outcome = if word.ends_with('!') { Outcome::Failed } else { Outcome::Done };
            match machine.on_message(kind(letter)) {
                Step::Skip => continue,
                Step::End => {
                    seen.push("end".to_owned());
                    break;
                }
                Step::Violation => {
                    seen.push("violation".to_owned());
                    break;
                }
                Step::Act => seen.push(format!("a{letter}")),
            }
            if outcome == Outcome::Failed {
                seen.push("E".to_owned());
            }
            let after = machine.on_result(kind(letter), outcome);
            seen.extend(after.reply.map(|tag| char::from(tag).to_string()));
            seen.extend(after.ready.then(|| "Z".to_owned()));
            seen.extend(after.flush.then(|| "|".to_owned()));
        }
        assert_eq!(seen.join(" "), transcript, "for {messages}");
    }

    #[test]
    fn a_simple_query_ends_ready_whether_it_fails_or_not() {
        check("Q", "aQ Z |");
        check("Q! Q", "aQ E Z | aQ Z |");
        check("F!", "aF E Z |");
    }

    #[test]
    fn a_pipeline_is_flushed_once_at_sync() {
        check("P B D E S", "aP 1 aB 2 aD aE aS Z |");
        check("P B E B E C S", "aP 1 aB 2 aE aB 2 aE aC 3 aS Z |");
    }

    #[test]
    fn flush_sends_without_ending_the_implicit_transaction() {
        check("P D H B E S", "aP 1 aD aH | aB 2 aE aS Z |");
    }

    #[test]
    fn after_an_error_everything_is_skipped_until_sync() {
        check("P! B D E S", "aP E | aS Z |");
        check("P B E! B E H Q C S P S", "aP 1 aB 2 aE E | aS Z | aP 1 aS Z |");
    }

    #[test]
    fn each_sync_is_answered_once() {
        check("S S", "aS Z | aS Z |");
        check("P! S S", "aP E | aS Z | aS Z |");
    }

    #[test]
    fn terminate_works_even_while_skipping() {
        check("P! X Q", "aP E | end");
    }

    #[test]
    fn stray_copy_data_is_ignored_and_a_stray_password_is_not() {
        check("d Q", "aQ Z |");
        check("p", "violation");
    }
}
