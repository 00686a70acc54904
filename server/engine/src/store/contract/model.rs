//! Any moment of any history equals a model that keeps every state.
