//! Settings whose name is known only when the statement runs: `current_setting(s.name)`, and `pg_settings` itself.
//!
//! The value is chosen among those of all parameters, each bound from the session, because the connection that runs the
//! statement is shared and knows no session. Parameters of the user's own (`myapp.name`) are found by constant names only.

use storage::Value;

use super::scope::ScopeColumn;
use crate::function::Form;
use crate::ir::{Expr, Node};
use crate::plan::SessionValue;
use crate::session::guc::PARAMETERS;
use crate::types::oid;

/// The value of the parameter with that name in any case; `otherwise` for a name that is no parameter.
pub(super) fn by_name(name: Expr, otherwise: Option<Expr>) -> Expr {
    let at = name.at;
    let folded = Expr::new(Node::Apply { form: Form::Call("lower"), args: vec![name] }, oid::TEXT, at);
    let whens = PARAMETERS.iter().map(|parameter| {
        let own = parameter.name.to_ascii_lowercase();
        let constant = Expr::new(Node::Constant(Value::Text(own.clone())), oid::TEXT, at);
        let args = vec![folded.clone(), constant];
        let condition = Expr::new(Node::Apply { form: Form::Infix("="), args }, oid::BOOL, at);
        (condition, Expr::new(Node::Session(SessionValue::Setting(own)), oid::TEXT, at))
    });
    Expr::new(Node::Case { whens: whens.collect(), otherwise: otherwise.map(Box::new) }, oid::TEXT, at)
}

/// The error for a name that is no parameter; NULL for NULL.
pub(super) fn unrecognized(name: Expr) -> Expr {
    let at = name.at;
    let form = Form::Pattern(
        "CASE WHEN {0} IS NOT NULL THEN pg_raise('42704', 'unrecognized configuration parameter \"' || {0} || '\"') END",
    );
    Expr::new(Node::Apply { form, args: vec![name] }, oid::TEXT, at)
}

/// Makes the columns `setting` and `source` of `pg_settings` the session's.
pub(super) fn of_session(columns: &mut [ScopeColumn]) {
    let find = |columns: &[ScopeColumn], name: &str| columns.iter().find(|c| c.name == name).map(|c| c.expr.clone());
    let (Some(name), Some(boot)) = (find(columns, "name"), find(columns, "boot_val")) else { return };
    let value = by_name(name, None);
    for column in columns {
        match column.name.as_str() {
            "setting" => column.expr = value.clone(),
            "source" => {
                let form = Form::Pattern("CASE WHEN {0} IS NOT {1} THEN 'session' ELSE 'default' END");
                let args = vec![value.clone(), boot.clone()];
                column.expr = Expr::new(Node::Apply { form, args }, oid::TEXT, 0);
            }
            _ => {}
        }
    }
}
