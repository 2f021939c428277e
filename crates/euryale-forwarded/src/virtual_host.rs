//! Zope's virtual hosts: a proxy writes into the path at which address the client sees the
//! application.

mod directive;
mod layer;
mod service;
mod table;

pub(crate) use self::directive::Directive;
pub use self::layer::VirtualHostLayer;
pub use self::service::VirtualHost;
pub use self::table::{HostTable, InvalidLine};
