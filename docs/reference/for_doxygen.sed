# What tools/docs shows Doxygen in place of a public header: there a comment is // and no more.
1s,^//,/// @file\n///,
/^ *\/\/ ---/d
/NOLINT/d
s,^( *)//(   .*)$,\1///    \2,
s,^( *)//( [^ ].*)?$,\1///\2,
s,^([^/]*[;{\,] *)// ,\1///< ,
s,namespace latchkey::inline client,namespace latchkey,
